"""What a plugin in a DAW shows and sends: its sixteen parameters, and the state that its project keeps."""
