"""Everything read from YAML: presets, controller maps, scenes, recording settings; one strict reader."""
