\o | cat > "$FOLDER/$PGDATABASE.rows$SUFFIX"
\pset tuples_only on
\pset format unaligned
select format('select %L, count(*) from %I.%I', format('%I.%I', table_schema, table_name), table_schema, table_name)
from information_schema.tables
where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
order by table_schema, table_name \gexec
\o
