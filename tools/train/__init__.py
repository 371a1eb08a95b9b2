"""From nothing to weights: compose and render loops, extract features, train both stages, export, judge."""
