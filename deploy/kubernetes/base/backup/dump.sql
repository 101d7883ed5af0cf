begin transaction isolation level repeatable read read only;
set local row_security = off;
select pg_export_snapshot() as snapshot \gset
\setenv SNAPSHOT :snapshot
\! pg_dump --format=custom --snapshot="$SNAPSHOT" --file="$FOLDER/$PGDATABASE.dump" || rm -f "$FOLDER/$PGDATABASE.dump"
\ir rows.sql
commit;
