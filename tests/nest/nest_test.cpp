// Runs the text cases of a directory, or of single files: nest_test PATH... [--fuzz COUNT [SEED]]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "nest_fuzz.hpp"
#include "nest_runner.hpp"

namespace {

std::vector<std::filesystem::path> cases_in(const char* path) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(path)) return {path};
  for (const auto& entry : std::filesystem::directory_iterator(path))
    if (entry.path().extension() == ".nest") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

int run_case(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  std::string found = nest_test::check(text.str());
  if (found.empty()) return 0;
  std::printf("FAIL %s: %s\n", file.c_str(), found.c_str());
  return 1;
}

int fuzz(int count, unsigned seed) {
  int failures = 0;
  for (int k = 0; k < count; ++k) {
    std::string text = nest_test::random_nest(seed + static_cast<unsigned>(k));
    std::string found = nest_test::check(text);
    if (found.empty()) continue;
    if (++failures <= 5) std::printf("FAIL fuzz seed %u: %s\n%s\n", seed + static_cast<unsigned>(k), found.c_str(), text.c_str());
  }
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  int failures = 0, count = 0;
  for (int k = 1; k < argc; ++k) {
    if (std::strcmp(argv[k], "--fuzz") == 0 && k + 1 < argc) {
      int nests = std::atoi(argv[++k]);
      unsigned seed = k + 1 < argc ? static_cast<unsigned>(std::atoi(argv[++k])) : 1;
      failures += fuzz(nests, seed);
      count += nests;
      continue;
    }
    for (const auto& file : cases_in(argv[k])) failures += run_case(file), ++count;
  }
  std::printf("%d cases, %d failures\n", count, failures);
  return failures != 0;
}
