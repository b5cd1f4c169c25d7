"""Makes training pictures for the crowd density: composed of sprites, or rendered.

Coordinates are in pixels of the picture that the variable names; the centre of the first pixel is
0.5. Head sizes are chin to crown, in pixels. Colours are BGR with 8 bits unless stated otherwise.
"""
