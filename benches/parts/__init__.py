"""The parts of `benches/whole.py`, which see."""
