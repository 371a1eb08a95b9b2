"""Plugins of other makers, hosted on our sound: LV2, CLAP and VST3 behind one protocol, in processes of their own."""
