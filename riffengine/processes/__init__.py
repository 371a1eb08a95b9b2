"""What the processes share: messages, the loop store, real-time priority."""
