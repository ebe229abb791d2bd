"""What stored rows say: claims, the paper's numbers, extrapolation, surveys, drawing. Needs no torch."""
