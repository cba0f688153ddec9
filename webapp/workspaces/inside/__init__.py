"""What is read or run within the sandbox, where this folder is /etc/seatrial."""
