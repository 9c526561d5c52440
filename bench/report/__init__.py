"""Tables and figures as a pure function of rows, descriptions and pictures in hand. Imports no torch."""
