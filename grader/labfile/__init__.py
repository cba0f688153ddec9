"""A lab as its author wrote it: schema, parameters, and every fault with its line."""
