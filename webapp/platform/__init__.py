"""The portal's processes: up, down, status."""
