"""Workspaces as containers, where clusters are containers too: no bubblewrap, and the programs of an image.

container   what a student's container is made of
spawner     the Hub's way to start one: DockerSpawner
known       by what they are known, and removing those that nobody remembers
image       the image of the programs in it: `seatrial workspace build`
"""
