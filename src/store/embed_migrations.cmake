# Writes the migrations into a C file: cmake -D OUTPUT=file.c -D "INPUTS=a.sql;b.sql" -P embed_migrations.cmake
set(arrays "")
set(rows "")
foreach(input IN LISTS INPUTS)
    get_filename_component(name "${input}" NAME_WE)
    file(READ "${input}" hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const char sql_${name}[] = {\n${bytes}0x00};\n")
    string(APPEND rows "    {\"${name}\", sql_${name}},\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"store/store_schema.h\"\n\n${arrays}
const struct store_migration store_migrations[] = {\n${rows}    {NULL, NULL},\n};\n")
