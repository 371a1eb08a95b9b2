"""What the processes share: messages, audio types, the loop store, real-time priority."""
