// A position in nest text and the few tokens the reader needs. Blanks are skipped within a line;
// ends of lines count.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "nest/nest.hpp"

namespace loopnest::nest {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  std::int32_t offset() const { return static_cast<std::int32_t>(at_); }
  [[noreturn]] void expected(const std::string& what) const {
    fail(text_, offset(), "expected " + what + ", found " + here());
  }

  char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool at_line_end() { return peek() == '\n' || peek() == '\0' || peek() == '#'; }
  bool at_end() { return peek() == '\0'; }

  // Passes the end of this line and the blank and comment lines after it.
  void next_line() {
    if (!at_line_end()) expected("the end of the line");
    skip_empty_lines();
  }
  void skip_empty_lines() {
    while (at_line_end() && at_ < text_.size()) {
      at_ = text_.find('\n', at_);
      at_ = at_ == std::string_view::npos ? text_.size() : at_ + 1;
    }
  }

  bool accept(std::string_view token) {
    skip_blanks();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void require(std::string_view token) {
    if (!accept(token)) expected("`" + std::string(token) + "`");
  }

  // The name here, without passing it; empty when there is none. `a..b` is the name `a`.
  std::string_view peek_name() {
    skip_blanks();
    if (at_ >= text_.size() || !is_letter(text_[at_])) return {};
    std::size_t end = at_ + 1;
    while (end < text_.size() && continues_name(end)) ++end;
    return text_.substr(at_, end - at_);
  }
  std::string_view name(const char* what) {
    std::string_view found = peek_name();
    if (found.empty()) expected(what);
    at_ += found.size();
    return found;
  }
  bool accept_name(std::string_view word) {
    if (peek_name() != word) return false;
    at_ += word.size();
    return true;
  }

  bool at_digit() { return peek() >= '0' && peek() <= '9'; }
  std::int64_t unsigned_integer() {
    if (!at_digit()) expected("an integer");
    return convert<std::int64_t>("an integer below 2^63");
  }
  std::int64_t integer() {
    skip_blanks();
    if (peek() != '-' && !at_digit()) expected("an integer");
    return convert<std::int64_t>("an integer below 2^63");
  }
  double floating() { return convert<double>("a number"); }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }
  bool continues_name(std::size_t i) const {
    char c = text_[i];
    if (c == '.') return i + 1 < text_.size() && text_[i + 1] != '.' && text_[i + 1] != ' ';
    return is_letter(c) || (c >= '0' && c <= '9');
  }
  template <typename T>
  T convert(const char* what) {
    T value{};
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc{}) expected(what);
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }
  std::string here() const {
    if (at_ >= text_.size()) return "the end of the text";
    if (text_[at_] == '\n') return "the end of the line";
    std::size_t end = text_.find_first_of(" \t\n", at_ + 1);
    return "`" + std::string(text_.substr(at_, std::min(end, text_.size()) - at_)) + "`";
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace loopnest::nest
