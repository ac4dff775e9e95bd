// Buffers with unreadable pages on both sides, and the list of what a test may touch.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace nest_test {

// The data ends exactly at an unreadable page (up to `align` bytes of slack before the data's end).
class Buffer {
 public:
  explicit Buffer(std::size_t bytes, std::size_t align = 8) : bytes_(bytes) {
    std::size_t inside = (bytes + kPage - 1) / kPage * kPage;
    total_ = inside + 2 * kPage;
    map_ = static_cast<char*>(
        mmap(nullptr, total_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (map_ == MAP_FAILED) throw std::runtime_error("mmap failed");
    if (inside > 0) mprotect(map_ + kPage, inside, PROT_READ | PROT_WRITE);
    data_ = map_ + kPage + (inside - bytes) / align * align;
  }
  ~Buffer() {
    if (map_) munmap(map_, total_);
  }
  Buffer(Buffer&& other) noexcept
      : map_(std::exchange(other.map_, nullptr)), data_(other.data_), bytes_(other.bytes_),
        total_(other.total_) {}
  Buffer(const Buffer&) = delete;

  char* data() const { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  static constexpr std::size_t kPage = 4096;
  char* map_ = nullptr;
  char* data_ = nullptr;
  std::size_t bytes_ = 0, total_ = 0;
};

// Throws when an access leaves every region.
class Regions {
 public:
  void add(const void* begin, std::size_t bytes) {
    list_.push_back({reinterpret_cast<std::uintptr_t>(begin), bytes});
  }
  void check(std::uintptr_t at, std::size_t bytes) const {
    for (const Region& r : list_)
      if (at >= r.begin && at + bytes <= r.begin + r.bytes) return;
    throw std::runtime_error("access outside every array, address " + std::to_string(at));
  }

 private:
  struct Region {
    std::uintptr_t begin;
    std::size_t bytes;
  };
  std::vector<Region> list_;
};

}  // namespace nest_test
