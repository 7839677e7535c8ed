"""The specification's generator: everything in this folder that derives from the machine."""
