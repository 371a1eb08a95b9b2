"""The surfaces of a performance: how each is opened, and how all of them and the journal are notified."""
