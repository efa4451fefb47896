"""Stand-ins for what the toolkit talks to, on loopback and in memory."""
