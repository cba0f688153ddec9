"""Give somebody a Kubernetes cluster: providers, identities, and the upstream programs they run."""
