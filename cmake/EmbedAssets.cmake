# static/ -> pl_assets
