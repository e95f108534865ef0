# sql/ -> pl_sql
