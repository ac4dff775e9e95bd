#include "runtime/exec_memory.hpp"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace loopnest::runtime {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{2} << 20;
constexpr int trap_byte = 0xCC;  // released code traps when it is called by mistake

std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

std::size_t page_bytes() {
  static const std::size_t bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

int open_memfd() {
#ifndef MFD_EXEC
  constexpr unsigned executable = 0x10u;
#else
  constexpr unsigned executable = MFD_EXEC;
#endif
  const int fd = memfd_create("loopnest-code", MFD_CLOEXEC | executable);
  // Kernels before 6.3 do not know the flag and need none.
  return fd >= 0 || errno != EINVAL ? fd : memfd_create("loopnest-code", MFD_CLOEXEC);
}

// The two addresses of one piece of memory; they are equal in the fallback.
struct Views {
  std::uint8_t* writable = nullptr;
  std::uint8_t* executable = nullptr;
};

std::uint8_t* map_view(int fd, std::size_t bytes, int protection) {
  void* view = mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  return view == MAP_FAILED ? nullptr : static_cast<std::uint8_t*>(view);
}

void unmap(std::uint8_t* view, std::size_t bytes) {
  if (view) munmap(view, bytes);
}

// Returns empty views when the system refuses.
Views map_dual(std::size_t bytes) {
  const int fd = open_memfd();
  if (fd < 0) return {};
  Views views;
  if (ftruncate(fd, static_cast<off_t>(bytes)) == 0) {
    views.writable = map_view(fd, bytes, PROT_READ | PROT_WRITE);
    views.executable = map_view(fd, bytes, PROT_READ | PROT_EXEC);
  }
  close(fd);
  if (views.writable && views.executable) return views;
  unmap(views.writable, bytes);
  unmap(views.executable, bytes);
  return {};
}

std::uint8_t* map_private(std::size_t bytes) {
  void* view = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return view == MAP_FAILED ? nullptr : static_cast<std::uint8_t*>(view);
}

// Instruction caches are not coherent with data on every architecture; both views are flushed
// because the data cache is cleaned by the address written.
void make_visible(const Views& views, std::size_t bytes) {
  auto flush = [bytes](std::uint8_t* at) {
    __builtin___clear_cache(reinterpret_cast<char*>(at), reinterpret_cast<char*>(at + bytes));
  };
  flush(views.writable);
  if (views.executable != views.writable) flush(views.executable);
}

struct Chunk {
  Views views;
  std::size_t size = 0;
  bool dual = false;
  bool inherited = false;                      // from before a fork: never written
  std::size_t live = 0;                        // allocations
  std::map<std::size_t, std::size_t> free_at;  // offset -> bytes, neighbours merged
};

using Chunks = std::list<Chunk>;

struct Block {
  Chunks::iterator chunk;
  std::size_t offset = 0, size = 0;
  unsigned forks = 0;  // how many forks this process had seen
};

void add_free(Chunk& chunk, std::size_t offset, std::size_t size) {
  auto next = chunk.free_at.lower_bound(offset);
  if (next != chunk.free_at.end() && next->first == offset + size) {
    size += next->second;
    next = chunk.free_at.erase(next);
  }
  if (next != chunk.free_at.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      previous->second += size;
      return;
    }
  }
  chunk.free_at.emplace_hint(next, offset, size);
}

// First fit; returns the offset, or the chunk's size when there is no room.
std::size_t take_free(Chunk& chunk, std::size_t size) {
  for (auto it = chunk.free_at.begin(); it != chunk.free_at.end(); ++it) {
    const auto [offset, available] = *it;
    if (available < size) continue;
    chunk.free_at.erase(it);
    if (available > size) chunk.free_at.emplace(offset + size, available - size);
    return offset;
  }
  return chunk.size;
}

}  // namespace

struct ExecutableMemory::State {
  mutable std::mutex mutex;
  std::size_t limit = 0, mapped = 0, used = 0;
  unsigned forks = 0;
  bool dual = true;
  Chunks chunks;
  std::unordered_map<void*, Block> blocks;

  Block place(std::size_t size);
  Chunks::iterator add_chunk(std::size_t size);
  bool map_chunk(Chunk& chunk);
  void drop_chunk(Chunks::iterator chunk);
  void give_back(const Block& block);
  void check_limit(std::size_t size) const;
  void write(const Block& block, std::span<const std::uint8_t> code);
  void seal(const Block& block);
};

namespace {

// Every arena, so that forks see consistent ones. Leaked: forks may happen during exit.
struct Registry {
  std::mutex mutex;
  std::vector<ExecutableMemory::State*> states;
};

Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

void before_fork() {
  registry().mutex.lock();
  for (auto* state : registry().states) state->mutex.lock();
}

void after_fork_in_parent() {
  for (auto* state : registry().states) {
    ++state->forks;
    state->mutex.unlock();
  }
  registry().mutex.unlock();
}

void after_fork_in_child() {
  for (auto* state : registry().states) {
    for (Chunk& chunk : state->chunks) chunk.inherited = chunk.dual;
    state->mutex.unlock();
  }
  registry().mutex.unlock();
}

void enroll(ExecutableMemory::State* state) {
  static const int installed =
      pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);
  if (installed != 0) throw ExecutableMemoryError("cannot install fork handlers");
  const std::lock_guard lock(registry().mutex);
  registry().states.push_back(state);
}

}  // namespace

void ExecutableMemory::State::check_limit(std::size_t size) const {
  if (size <= limit && mapped <= limit - size) return;
  throw ExecutableMemoryError(
      "executable memory is exhausted: " + std::to_string(mapped) + " bytes mapped, " +
      std::to_string(used) + " in use, " + std::to_string(size) + " more wanted, limit " +
      std::to_string(limit) + "; release kernels or raise the limit");
}

bool ExecutableMemory::State::map_chunk(Chunk& chunk) {
  chunk.dual = dual;
  if (dual) chunk.views = map_dual(chunk.size);
  else chunk.views.writable = chunk.views.executable = map_private(chunk.size);
  return chunk.views.executable != nullptr;
}

// A dual chunk serves many allocations, so it is generous where the limit allows.
Chunks::iterator ExecutableMemory::State::add_chunk(std::size_t size) {
  size = round_up(size, page_bytes());
  check_limit(size);
  Chunk chunk;
  chunk.size = dual ? std::clamp(chunk_bytes, size, std::max(size, limit - mapped)) : size;
  chunk.size = chunk.size / page_bytes() * page_bytes();
  if (!map_chunk(chunk)) {
    if (!dual) throw ExecutableMemoryError("the system gives no memory for code");
    dual = false;
    return add_chunk(size);
  }
  mapped += chunk.size;
  chunk.free_at.emplace(0, chunk.size);
  return chunks.insert(chunks.end(), std::move(chunk));
}

void ExecutableMemory::State::drop_chunk(Chunks::iterator chunk) {
  unmap(chunk->views.executable, chunk->size);
  if (chunk->dual) unmap(chunk->views.writable, chunk->size);
  mapped -= chunk->size;
  chunks.erase(chunk);
}

Block ExecutableMemory::State::place(std::size_t size) {
  auto chunk = std::find_if(chunks.begin(), chunks.end(), [size](Chunk& candidate) {
    if (candidate.inherited || !candidate.dual) return false;
    return std::any_of(candidate.free_at.begin(), candidate.free_at.end(),
                       [size](const auto& hole) { return hole.second >= size; });
  });
  if (chunk == chunks.end()) chunk = add_chunk(size);
  const std::size_t offset = take_free(*chunk, size);
  ++chunk->live;
  used += size;
  return {chunk, offset, size, forks};
}

void ExecutableMemory::State::write(const Block& block, std::span<const std::uint8_t> code) {
  std::uint8_t* at = block.chunk->views.writable + block.offset;
  std::memcpy(at, code.data(), code.size());
  std::memset(at + code.size(), trap_byte, block.size - code.size());
  seal(block);
  make_visible({at, block.chunk->views.executable + block.offset}, block.size);
}

void ExecutableMemory::State::seal(const Block& block) {
  const Chunk& chunk = *block.chunk;
  if (chunk.dual) return;
  if (mprotect(chunk.views.executable, chunk.size, PROT_READ | PROT_EXEC) != 0)
    throw ExecutableMemoryError("the system does not allow executable memory");
}

// Space another process may still execute is not reused; it goes when its whole chunk does.
void ExecutableMemory::State::give_back(const Block& block) {
  Chunk& chunk = *block.chunk;
  used -= block.size;
  --chunk.live;
  const bool mine = chunk.dual && !chunk.inherited && block.forks == forks;
  if (mine) {
    std::memset(chunk.views.writable + block.offset, trap_byte, block.size);
    add_free(chunk, block.offset, block.size);
  }
  const bool whole = chunk.free_at.size() == 1 && chunk.free_at.begin()->second == chunk.size;
  // One empty chunk of the usual size is kept for the next allocation.
  const bool spare = whole && chunk.size == chunk_bytes && chunks.size() == 1;
  if (chunk.live == 0 && !spare) drop_chunk(block.chunk);
}

ExecutableMemory::ExecutableMemory(std::size_t limit_bytes, bool dual_mapping)
    : state_(std::make_unique<State>()) {
  state_->limit = limit_bytes;
  state_->dual = dual_mapping;
  enroll(state_.get());
}

ExecutableMemory::~ExecutableMemory() {
  {
    const std::lock_guard lock(registry().mutex);
    std::erase(registry().states, state_.get());
  }
  while (!state_->chunks.empty()) state_->drop_chunk(state_->chunks.begin());
}

ExecutableMemory& ExecutableMemory::process() {
  static ExecutableMemory* const instance = new ExecutableMemory;
  return *instance;
}

void* ExecutableMemory::allocate(std::span<const std::uint8_t> code) {
  const std::size_t size = round_up(std::max<std::size_t>(code.size(), 1), alignment);
  const std::lock_guard lock(state_->mutex);
  const Block block = state_->place(size);
  try {
    state_->write(block, code);
    void* const address = block.chunk->views.executable + block.offset;
    state_->blocks.emplace(address, block);
    return address;
  } catch (...) {
    state_->give_back(block);
    throw;
  }
}

void ExecutableMemory::release(void* code) noexcept {
  if (!code) return;
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->blocks.find(code);
  if (found == state_->blocks.end()) return;
  const Block block = found->second;
  state_->blocks.erase(found);
  state_->give_back(block);
}

std::shared_ptr<const void> ExecutableMemory::hold(std::span<const std::uint8_t> code) {
  void* const address = allocate(code);
  return {address, [this](const void* held) { release(const_cast<void*>(held)); }};
}

std::size_t ExecutableMemory::limit_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->limit;
}

void ExecutableMemory::set_limit_bytes(std::size_t limit_bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->limit = limit_bytes;
}

std::size_t ExecutableMemory::mapped_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->mapped;
}

std::size_t ExecutableMemory::used_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->used;
}

}  // namespace loopnest::runtime
