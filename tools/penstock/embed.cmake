# cmake -DINPUT=file -DOUTPUT=file.cpp -P embed.cmake: the bytes of a file as penstock::cli::kDescriptors.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x..,){32})" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include <cstddef>\nnamespace penstock::cli {\nextern const unsigned char kDescriptors[];\n"
     "extern const std::size_t kDescriptorsSize;\nconst unsigned char kDescriptors[] = {\n${bytes}\n};\n"
     "const std::size_t kDescriptorsSize = sizeof kDescriptors;\n}  // namespace penstock::cli\n")
