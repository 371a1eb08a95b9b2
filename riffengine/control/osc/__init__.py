"""OSC: the UDP server, OSCQuery over HTTP, and the zeroconf announcement of both."""
