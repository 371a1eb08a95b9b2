"""Musical time: tempo, beat, bar, quantum and the next boundary. Pure arithmetic; time is passed in."""
