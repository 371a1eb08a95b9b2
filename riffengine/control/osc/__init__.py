"""OSC: datagrams in and out, addresses, subscribers, OSCQuery and discovery."""
