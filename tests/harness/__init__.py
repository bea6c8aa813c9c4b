"""What the whole-program tests stand on: a server of one's own, scripts for its engine, clients, and an oracle."""
