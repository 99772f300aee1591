#include "base/pickle.h"

#include <charconv>
#include <unordered_map>

#include "base/file.h"
#include "base/pickle_arena.h"
#include "base/pickle_text.h"

namespace quantbench::pickle {
namespace {

constexpr size_t max_name = 256;                // of a module or class
constexpr uint64_t max_steps = 4 * max_values;  // each step stores at most one reference

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& what, const Policy& policy)
      : bytes_(bytes), reader_(bytes, what), policy_(policy) {}

  Result run() {
    while (step(static_cast<unsigned char>(reader_.take(1)[0]))) {
    }
    Result result{pop(), reader_.position()};
    if (const char* problem = arena_.release(result.value)) refuse(problem);
    return result;
  }

 private:
  [[noreturn]] void refuse(std::string_view why) const {
    fail("{} is not a pickle that can be read: {} (before offset {}).", reader_.what(), why,
         reader_.position());
  }
  void check(bool condition, std::string_view why) const {
    if (!condition) refuse(why);
  }

  template <typename T>
  void push(T data) {
    check(arena_.size() < max_values, "its values are too many");
    stack_.push_back(arena_.add(Value{std::move(data)}));
  }
  // None and the truth values are one byte of the stream each: they are shared.
  template <typename T>
  void push_shared(Ref& shared, T data) {
    if (!shared) shared = arena_.add(Value{data});
    stack_.push_back(shared);
  }

  void count_steps(uint64_t count) {
    steps_ += count;
    check(steps_ <= max_steps, "it is too long");
  }

  size_t fence() const { return marks_.empty() ? 0 : marks_.back(); }
  const Ref& top() const {
    check(stack_.size() > fence(), "its stack is empty");
    return stack_.back();
  }
  Ref pop() {
    Ref value = top();
    stack_.pop_back();
    return value;
  }
  List pop_to_mark() {
    check(!marks_.empty(), "a mark is missing");
    auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    List items(std::make_move_iterator(first), std::make_move_iterator(stack_.end()));
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return items;
  }
  List pop_items(size_t count) {
    List items(count);
    for (size_t i = count; i > 0; --i) items[i - 1] = pop();
    return items;
  }

  std::string_view line() {
    const size_t end = bytes_.find('\n', reader_.position());
    check(end != bytes_.npos, "a line does not end");
    std::string_view text = reader_.take(end - reader_.position() + 1);
    text.remove_suffix(1);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    return text;
  }
  template <typename T>
  T parse(std::string_view text) const {
    T value{};
    const char* end = text.data() + text.size();
    auto [stop, code] = std::from_chars(text.data(), end, value);
    check(!text.empty() && code == std::errc() && stop == end, "a number cannot be read");
    return value;
  }
  template <typename T>
  std::string sized() {
    return std::string(reader_.take(reader_.number<T>()));
  }
  size_t signed_size() {
    const int32_t size = reader_.number<int32_t>();
    check(size >= 0, "a length is negative");
    return static_cast<size_t>(size);
  }

  void push_long(std::string_view digits) {
    if (digits.size() > sizeof(int64_t)) return push(Bytes{std::string(digits)});
    uint64_t value = 0;
    for (size_t i = 0; i < digits.size(); ++i)
      value |= uint64_t{static_cast<unsigned char>(digits[i])} << (8 * i);
    const size_t bits = 8 * digits.size();
    if (bits > 0 && bits < 64 && (value >> (bits - 1))) value |= ~uint64_t{0} << bits;
    push(static_cast<int64_t>(value));
  }

  double big_endian_double() {
    const uint64_t bits = __builtin_bswap64(reader_.number<uint64_t>());
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  void push_global(const std::string& module, const std::string& name) {
    check(module.size() <= max_name && name.size() <= max_name, "a class name is too long");
    require(policy_.accepts && policy_.accepts(module, name),
            "{} asks for {}.{}, which does not belong in such a file; it is refused.",
            reader_.what(), module, name);
    push(Global{module, name});
  }
  void push_persistent(Ref id) {
    check(policy_.persistent_ids, "it refers to objects outside the file");
    push(PersistentId{std::move(id)});
  }

  void make_object(const Ref& type, const Ref& arguments) {
    const auto* global = std::get_if<Global>(&type->data);
    const auto* tuple = std::get_if<Tuple>(&arguments->data);
    check(global && tuple, "something that is no class is called");
    count_steps(tuple->items.size());
    push(Object{*global, tuple->items, nullptr, {}, {}});
  }

  void append(List items) {
    Value& target = *top();
    auto* list = std::get_if<List>(&target.data);
    auto* object = std::get_if<Object>(&target.data);
    check(list || object, "items are appended to something that is no list");
    List& into = list ? *list : object->items;
    into.insert(into.end(), std::make_move_iterator(items.begin()),
                std::make_move_iterator(items.end()));
  }
  void set_items(List items) {
    Value& target = *top();
    auto* dict = std::get_if<Dict>(&target.data);
    auto* object = std::get_if<Object>(&target.data);
    check(dict || object, "entries are put into something that is no dict");
    check(items.size() % 2 == 0, "a key has no value");
    Dict& into = dict ? *dict : object->entries;
    for (size_t i = 0; i < items.size(); i += 2)
      into.emplace_back(std::move(items[i]), std::move(items[i + 1]));
  }
  void add_to_set(List items) {
    auto* set = std::get_if<Set>(&top()->data);
    check(set, "items are added to something that is no set");
    set->items.insert(set->items.end(), items.begin(), items.end());
  }
  void build(Ref state) {
    auto* object = std::get_if<Object>(&top()->data);
    check(object, "a state is given to something that is no object");
    object->state = std::move(state);
  }

  void get(uint64_t key) {
    auto found = memo_.find(key);
    check(found != memo_.end(), "it refers to a value that it never stored");
    stack_.push_back(found->second);
  }
  void put(uint64_t key) { memo_[key] = top(); }

  void protocol() { check(reader_.number<uint8_t>() <= 5, "its protocol is newer than 5"); }

  // False at the end of the pickle.
  bool step(unsigned char opcode) {
    count_steps(1);
    switch (opcode) {
      case 0x80:  // PROTO
        protocol();
        return true;
      case 0x95:  // FRAME
        check(reader_.number<uint64_t>() <= reader_.left(), "a frame is longer than the file");
        return true;
      case '.':
        return false;
      default:
        break;
    }
    if (!stack_step(opcode) && !number_step(opcode) && !text_step(opcode) &&
        !container_step(opcode) && !object_step(opcode))
      refuse(fmt::format("operation 0x{:02x} is not supported", opcode));
    return true;
  }

  bool stack_step(unsigned char opcode) {
    switch (opcode) {
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case '0':  // POP
        if (!marks_.empty() && marks_.back() == stack_.size())
          marks_.pop_back();
        else
          pop();
        return true;
      case '1':  // POP_MARK
        pop_to_mark();
        return true;
      case '2':  // DUP
        stack_.push_back(Ref(top()));
        return true;
      case 'g':
        get(parse<uint64_t>(line()));
        return true;
      case 'h':  // BINGET
        get(reader_.number<uint8_t>());
        return true;
      case 'j':  // LONG_BINGET
        get(reader_.number<uint32_t>());
        return true;
      case 'p':
        put(parse<uint64_t>(line()));
        return true;
      case 'q':  // BINPUT
        put(reader_.number<uint8_t>());
        return true;
      case 'r':  // LONG_BINPUT
        put(reader_.number<uint32_t>());
        return true;
      case 0x94:  // MEMOIZE
        put(memo_.size());
        return true;
      default:
        return false;
    }
  }

  bool number_step(unsigned char opcode) {
    switch (opcode) {
      case 'N':
        push_shared(none_, None{});
        return true;
      case 0x88:  // NEWTRUE
        push_shared(true_, true);
        return true;
      case 0x89:  // NEWFALSE
        push_shared(false_, false);
        return true;
      case 'I': {
        const std::string_view text = line();
        if (text == "00")
          push_shared(false_, false);
        else if (text == "01")
          push_shared(true_, true);
        else
          push(parse<int64_t>(text));
        return true;
      }
      case 'L': {
        std::string_view text = line();
        if (!text.empty() && text.back() == 'L') text.remove_suffix(1);
        push(parse<int64_t>(text));
        return true;
      }
      case 'F':
        push(parse<double>(line()));
        return true;
      case 'J':  // BININT
        push(int64_t{reader_.number<int32_t>()});
        return true;
      case 'K':  // BININT1
        push(int64_t{reader_.number<uint8_t>()});
        return true;
      case 'M':  // BININT2
        push(int64_t{reader_.number<uint16_t>()});
        return true;
      case 'G':  // BINFLOAT
        push(big_endian_double());
        return true;
      case 0x8a:  // LONG1
        push_long(reader_.take(reader_.number<uint8_t>()));
        return true;
      case 0x8b:  // LONG4
        push_long(reader_.take(signed_size()));
        return true;
      default:
        return false;
    }
  }

  bool text_step(unsigned char opcode) {
    switch (opcode) {
      case 'S': {
        auto text = unquote(line());
        check(text.has_value(), "a string is not quoted as it should be");
        push(Bytes{std::move(*text)});
        return true;
      }
      case 'V': {
        auto text = raw_unicode(line());
        check(text.has_value(), "a Unicode string is not written as it should be");
        push(std::move(*text));
        return true;
      }
      case 'T':  // BINSTRING
        push(Bytes{std::string(reader_.take(signed_size()))});
        return true;
      case 'U':  // SHORT_BINSTRING
      case 'C':  // SHORT_BINBYTES
        push(Bytes{sized<uint8_t>()});
        return true;
      case 'B':  // BINBYTES
        push(Bytes{sized<uint32_t>()});
        return true;
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        push(Bytes{sized<uint64_t>()});
        return true;
      case 'X':  // BINUNICODE
        push(sized<uint32_t>());
        return true;
      case 0x8c:  // SHORT_BINUNICODE
        push(sized<uint8_t>());
        return true;
      case 0x8d:  // BINUNICODE8
        push(sized<uint64_t>());
        return true;
      default:
        return false;
    }
  }

  bool container_step(unsigned char opcode) {
    switch (opcode) {
      case ']':
        push(List{});
        return true;
      case ')':
        push(Tuple{});
        return true;
      case '}':
        push(Dict{});
        return true;
      case 0x8f:  // EMPTY_SET
        push(Set{});
        return true;
      case 'l':
        push(pop_to_mark());
        return true;
      case 't':
        push(Tuple{pop_to_mark()});
        return true;
      case 0x85:  // TUPLE1
      case 0x86:
      case 0x87:
        push(Tuple{pop_items(opcode - 0x84u)});
        return true;
      case 'd': {
        List items = pop_to_mark();
        push(Dict{});
        set_items(std::move(items));
        return true;
      }
      case 0x91:  // FROZENSET
        push(Set{pop_to_mark()});
        return true;
      case 'a':
        append(pop_items(1));
        return true;
      case 'e':  // APPENDS
        append(pop_to_mark());
        return true;
      case 's':  // SETITEM
        set_items(pop_items(2));
        return true;
      case 'u':  // SETITEMS
        set_items(pop_to_mark());
        return true;
      case 0x90:  // ADDITEMS
        add_to_set(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  bool object_step(unsigned char opcode) {
    switch (opcode) {
      case 'c': {
        const std::string module(line());
        push_global(module, std::string(line()));
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const Ref name = pop(), module = pop();
        const auto* module_text = std::get_if<std::string>(&module->data);
        const auto* name_text = std::get_if<std::string>(&name->data);
        check(module_text && name_text, "a class name is no text");
        push_global(*module_text, *name_text);
        return true;
      }
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const Ref arguments = pop(), type = pop();
        make_object(type, arguments);
        return true;
      }
      case 'b':
        build(pop());
        return true;
      case 'P':
        push(std::string(line()));
        push_persistent(pop());
        return true;
      case 'Q':  // BINPERSID
        push_persistent(pop());
        return true;
      default:
        return false;
    }
  }

  Arena arena_;
  std::string_view bytes_;
  ByteReader reader_;
  const Policy& policy_;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Ref> memo_;
  Ref none_, true_, false_;
  uint64_t steps_ = 0;
};

}  // namespace

Result load(std::string_view bytes, const std::string& what, const Policy& policy) {
  return Machine(bytes, what, policy).run();
}

}  // namespace quantbench::pickle
