#include "nest_fuzz.hpp"

#include <algorithm>
#include <random>
#include <vector>

namespace nest_test {

namespace {

std::string str(std::int64_t v) { return std::to_string(v); }

// One loop of a split index: its text and what it contributes to the index.
struct LoopText {
  std::string var, lower, upper, kind;
  bool is_inner = false;  // of constant extent but for the tail
};

struct Index {
  std::vector<LoopText> loops;  // outer ones first
  std::string form;             // the index over its loops
};

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  std::string run() {
    switch (pick(5)) {
      case 0: return copy();
      case 1: return contraction();
      case 2: return triangle();
      case 3: return row_reduction();
      default: return copy();
    }
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  int between(int low, int high) { return low + pick(high - low + 1); }
  std::string type() {
    static const char* const kTypes[] = {"f32", "f32", "f64", "i32", "i64"};
    return kTypes[pick(5)];
  }
  static std::string literal(const std::string& type, int v) { return str(v) + ":" + type; }

  static std::string indent(std::size_t depth) { return std::string(2 * depth, ' '); }

  // 0 <= x < n by zero, one or two levels of splitting.
  Index split(const std::string& name, std::int64_t n, int levels) {
    Index x;
    if (levels == 0) {
      x.loops = {{name, "0", str(n), "", true}};
      x.form = name;
      return x;
    }
    std::int64_t f1 = between(1, 20);
    x.loops.push_back({name + "o", "0", str((n + f1 - 1) / f1), "", false});
    std::string left = str(n) + " - " + str(f1) + "*" + name + "o";
    if (levels == 1) {
      x.loops.push_back({name + "i", "0", "min(" + str(f1) + ", " + left + ")", "", true});
      x.form = str(f1) + "*" + name + "o + " + name + "i";
      return x;
    }
    std::int64_t f2 = between(1, 9);
    x.loops.push_back({name + "m", "0", "min(" + str((f1 + f2 - 1) / f2) + ", floordiv(" + left + " + " +
                                            str(f2 - 1) + ", " + str(f2) + "))", "", false});
    std::string within = " - " + str(f2) + "*" + name + "m";
    x.loops.push_back({name + "i", "0", "min(" + str(f2) + ", " + str(f1) + within + ", " + left + within + ")", "", true});
    x.form = str(f1) + "*" + name + "o + " + str(f2) + "*" + name + "m + " + name + "i";
    return x;
  }

  // A random merge of the indices' loops that keeps each index's own order.
  std::vector<LoopText> interleave(std::vector<Index> indices) {
    std::vector<LoopText> order;
    std::vector<std::size_t> at(indices.size(), 0);
    for (;;) {
      std::vector<std::size_t> open;
      for (std::size_t k = 0; k < indices.size(); ++k)
        if (at[k] < indices[k].loops.size()) open.push_back(k);
      if (open.empty()) return order;
      std::size_t k = open[static_cast<std::size_t>(pick(static_cast<int>(open.size())))];
      order.push_back(indices[k].loops[at[k]++]);
    }
  }

  void give_kinds(std::vector<LoopText>& loops) {
    static const char* const kTails[] = {"", " tail=mask", " tail=peel", " tail=guard"};
    for (std::size_t k = 0; k < loops.size(); ++k) {
      bool last = k + 1 == loops.size();
      if (last && pick(4)) loops[k].kind = std::string(" vector") + kTails[pick(4)];
      else if (loops[k].is_inner && pick(3) == 0) loops[k].kind = pick(2) ? " unroll" : " vector";
      else if (pick(5) == 0) loops[k].kind = " parallel";
    }
  }

  std::string open(const LoopText& l, std::size_t depth) {
    return indent(depth) + "for " + l.var + " = " + l.lower + " .. " + l.upper + l.kind + " {\n";
  }

  std::string nest(const std::vector<LoopText>& loops, const std::vector<std::string>& statements) {
    std::string text;
    for (std::size_t k = 0; k < loops.size(); ++k) text += open(loops[k], k + 1);
    for (const std::string& s : statements) text += indent(loops.size() + 1) + s + "\n";
    for (std::size_t k = loops.size(); k-- > 0;) text += indent(k + 1) + "}\n";
    return text;
  }

  // `roundings`: see nest_runner.cpp.
  std::string head(const std::string& name, int roundings = 2) {
    return "# roundings " + str(roundings) + "\nnest " + name + "\nthreads " + str(between(1, 3)) + "\n";
  }

  // out[permuted, strided] = f(in[...], broadcast[...], index)
  std::string copy() {
    int dims = between(1, 3);
    std::vector<Index> indices;
    std::vector<std::int64_t> sizes;
    for (int d = 0; d < dims; ++d) {
      sizes.push_back(between(1, dims == 1 ? 300 : dims == 2 ? 50 : 17));
      indices.push_back(split(std::string(1, static_cast<char>('i' + d)), sizes.back(), pick(3)));
    }
    std::string from = strided(indices, sizes), to = strided(indices, sizes);
    auto loops = interleave(indices);
    give_kinds(loops);
    std::string t = type();
    std::string text = head("copy") + "array x " + t + " argument 0\narray y " + t + " argument 1\narray z " + t + " argument 2\n{\n";
    text += nest(loops, {"y[" + to + "] = " + value(t, "x[" + from + "]", "z[" + indices[0].form + "]", indices.back().form)});
    return text + "}\n";
  }

  std::string value(const std::string& t, const std::string& x, const std::string& z, const std::string& i) {
    switch (pick(6)) {
      case 0: return x;
      case 1: return "add(mul(" + x + ", " + z + "), " + literal(t, 3) + ")";
      case 2: return "sub(mul(" + z + ", " + literal(t, 100) + "), mul(" + x + ", " + x + "))";
      case 3: return "maximum(" + x + ", " + literal(t, 0) + ")";
      case 4: return "select(lt(index(" + i + "), 5:i64), " + x + ", neg(" + z + "))";
      default: return "mul(" + x + ", cast." + t + "(index(" + i + ")))";
    }
  }

  // A row-major layout over a random order of the dimensions, with gaps.
  std::string strided(const std::vector<Index>& indices, const std::vector<std::int64_t>& sizes) {
    std::vector<std::size_t> order(indices.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
    std::shuffle(order.begin(), order.end(), random_);
    std::string form = str(pick(4));
    std::int64_t stride = pick(5) == 0 ? 2 : 1;
    for (std::size_t k : order) {
      for (const std::string& term : terms(indices[k].form, stride)) form += " + " + term;
      stride *= sizes[k] + pick(2);
    }
    return form;
  }

  static std::vector<std::string> terms(const std::string& form, std::int64_t scale) {
    std::vector<std::string> result;
    for (std::size_t at = 0; at < form.size();) {
      std::size_t end = form.find(" + ", at);
      if (end == std::string::npos) end = form.size();
      result.push_back(str(scale) + "*(" + form.substr(at, end - at) + ")");
      at = end + 3;
    }
    return result;
  }

  // C = A B with an accumulator block in registers, k split or not.
  std::string contraction() {
    std::int64_t m = between(1, 23), n = between(1, 50), k = between(1, 20);
    std::int64_t mr = between(1, 5), nr = between(1, 26), kc = between(1, 12);
    std::string t = pick(2) ? "f32" : "f64";
    auto S = [](std::int64_t v) { return str(v); };
    std::string im = "for mi = 0 .. min(" + S(mr) + ", " + S(m) + " - " + S(mr) + "*mo) unroll {\n";
    static const char* const kTails[] = {" vector", " vector tail=mask", " vector tail=peel", " unroll"};
    std::string in = "for ni = 0 .. min(" + S(nr) + ", " + S(n) + " - " + S(nr) + "*no)" + kTails[pick(4)] + " {\n";
    std::string acc = "acc[" + S(nr) + "*mi + ni]";
    std::string c = "C[" + S(n * mr) + "*mo + " + S(n) + "*mi + " + S(nr) + "*no + ni]";
    std::string a = "A[" + S(k * mr) + "*mo + " + S(k) + "*mi + " + S(kc) + "*ko + ki]";
    std::string b = "B[" + S(n * kc) + "*ko + " + S(n) + "*ki + " + S(nr) + "*no + ni]";
    std::string outer = pick(2) ? " parallel" : "";
    std::string text = head("contraction", 40) + "array A " + t + " argument 0\narray B " + t +
                       " argument 1\narray C " + t + " argument 2\narray acc " + t + " register " + S(mr * nr) + "\n{\n";
    text += "for ko = 0 .. " + S((k + kc - 1) / kc) + " {\nfor mo = 0 .. " + S((m + mr - 1) / mr) + outer + " {\nfor no = 0 .. " +
            S((n + nr - 1) / nr) + " {\n";
    text += im + in + acc + " = 0:" + t + "\n}\n}\n";
    text += "for ki = 0 .. min(" + S(kc) + ", " + S(k) + " - " + S(kc) + "*ko)" + (pick(4) ? "" : " unroll") + " {\n" + im + in + acc +
            " = add(" + acc + ", mul(" + a + ", " + b + "))\n}\n}\n}\n";
    text += im + in + "if ko == 0 {\n" + c + " = " + acc + "\n} else {\n" + c + " = add(" + c + ", " + acc + ")\n}\n}\n}\n";
    return text + "}\n}\n}\n}\n";
  }

  // Triangular bounds, run-time on both ends.
  std::string triangle() {
    std::int64_t n = between(1, 40);
    std::string t = type();
    static const char* const kTails[] = {" vector", " vector tail=mask", " vector tail=peel", "", " unroll"};
    std::string kind = kTails[pick(5)];
    std::string bounds = pick(3) == 0   ? "i .. " + str(n)
                         : pick(2) == 0 ? "max(0, i - " + str(between(1, 9)) + ") .. i + 1"
                                        : "max(" + str(between(0, 5)) + ", i - 7) .. min(" + str(n) + ", i + " + str(between(1, 20)) + ")";
    std::string text = head("triangle") + "array L " + t + " argument 0\narray x " + t + " argument 1\n{\n";
    text += "for i = 0 .. " + str(n) + (pick(2) ? " parallel" : "") + " {\nfor j = " + bounds + kind + " {\n";
    std::string l = pick(2) ? "L[" + str(n) + "*i + j]" : "L[i + " + str(n + 12) + "*j]";
    text += l + " = add(mul(" + l + ", x[j]), x[i])\n}\n";
    if (pick(2)) text += "if i - " + str(between(0, 20)) + " >= 0 {\nx[" + str(n + 30) + " + i] = neg(x[i])\n} else {\nx[" + str(n + 30) + " + i] = " + literal(t, 1) + "\n}\n";
    return text + "}\n}\n";
  }

  // y[i] = fold over j of x[i, j], in lanes.
  std::string row_reduction() {
    std::int64_t rows = between(1, 12), columns = between(1, 90), lanes = between(1, 34);
    static const char* const kFolds[][3] = {{"sum", "add", "0"}, {"max", "maximum", "-100"}, {"min", "minimum", "100"}};
    auto& fold = kFolds[pick(3)];
    std::string t = type();
    auto S = [](std::int64_t v) { return str(v); };
    std::string in = "for l = 0 .. " + S(lanes) + " vector {\n";
    std::string text = head("rows", 125) + "array x " + t + " argument 0\narray y " + t + " argument 1\narray acc " + t +
                       " register " + S(lanes) + "\n{\nfor i = 0 .. " + S(rows) + (pick(2) ? " parallel" : "") + " {\n";
    text += in + "acc[l] = " + fold[2] + ":" + t + "\n}\n";
    text += "for jo = 0 .. " + S((columns + lanes - 1) / lanes) + " {\nfor l = 0 .. min(" + S(lanes) + ", " + S(columns) + " - " + S(lanes) +
            "*jo) vector {\nacc[l] = " + fold[1] + "(acc[l], x[" + S(columns) + "*i + " + S(lanes) + "*jo + l])\n}\n}\n";
    text += "y[i] = reduce." + std::string(fold[0]) + "(acc[0], " + S(lanes) + ")\n";
    return text + "}\n}\n";
  }

  std::mt19937_64 random_;
};

}  // namespace

std::string random_nest(unsigned seed) { return Maker(seed).run(); }

}  // namespace nest_test
