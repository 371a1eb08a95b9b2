"""Musical time: tempo, beat, bar, quantum, next boundary. Pure arithmetic; time is passed in."""
