"""Service: a performance without a performer: supervised by systemd, logged, asked for its health and its figures."""
