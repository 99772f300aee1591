// Files that recipes refer to by a name and the SHA-256 of their text, "NAME:0123456789ab", so that
// a changed file makes another recipe. Copies lie in a folder beside the store, where replay and
// resume find them.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace quantbench {

// The name of `text` under `label`.
std::string name_with_digest(const std::string& label, const std::string& text);

// The digits of such a name; "" of any other one.
std::string digest_digits(const std::string& name);

// Those of one kind that this process has read, by name.
class KeptFiles {
 public:
  // Copies are FOLDER/DIGITS.EXTENSION.
  KeptFiles(std::string folder, std::string extension)
      : folder_(std::move(folder)), extension_(std::move(extension)) {}

  void add(const std::string& name, std::string text) { texts_[name] = std::move(text); }

  // nullptr: not read in this process.
  const std::string* find(const std::string& name) const;

  // Where the copy of `name` lies, or would, beside the database `store`.
  std::filesystem::path place(const std::string& name, const std::filesystem::path& store) const;

  // Writes the copy, where `name` is known and there is none.
  void keep(const std::string& name, const std::filesystem::path& store) const;

 private:
  std::string folder_, extension_;
  std::map<std::string, std::string> texts_;
};

}  // namespace quantbench
