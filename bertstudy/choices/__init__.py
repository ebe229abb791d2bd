"""What a recipe chooses from: truncations, poolings, schedules, task sampling, methods. Importing it needs no torch."""
