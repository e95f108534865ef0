# sql/ and static/ become C arrays in the build tree: nothing generated is kept.
