"""Who may do what: the student's certificate, the kubeconfig files, and the rights that go with them."""
