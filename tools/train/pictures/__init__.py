"""Training pictures for the crowd-density network: pasted together from real people, and rendered from body models.

Coordinates are in pixels of the picture named in the variable, the centre of the first pixel is at 0.5.
Sizes of heads are chin to crown, in pixels. Colour is BGR, 8 bits unless said otherwise.
"""
