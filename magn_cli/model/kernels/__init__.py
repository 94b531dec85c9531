"""Fast implementations of parts of the network. Each is tested against a plain one."""
