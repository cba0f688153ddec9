"""Find every fault of a lab without a cluster, and write new labs."""
