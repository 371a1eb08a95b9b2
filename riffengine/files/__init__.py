"""Files that others have made: opened only as regular files, and bounded before they are read."""
