# sql/ and static/ become C in the build tree; nothing generated is committed.
include(EmbedSql)    # pl_sql
include(EmbedAssets) # pl_assets
