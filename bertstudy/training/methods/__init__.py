"""The methods, one file each: found by its name, read for its declaration, imported when it is carried out."""
