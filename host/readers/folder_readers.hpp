// FolderReaders: which readers the files of the watched folder stand for.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "plugin/plugin_file.hpp"
#include "readers/lifecycle.hpp"

namespace perch::readers {

/// Says that the folder has no plugin of that id, and which of the `others` there may have been meant.
std::string no_such_plugin(const std::string& plugin, const std::filesystem::path& folder,
                           const std::vector<std::string>& others);

/// A new file loads: the config's instances of its plugin, else one reader under the plugin's id. A changed
/// file swaps its readers, a removed one unloads them. A bad file changes nothing, says why, and stays in the
/// list as refused. For the manager thread.
class FolderReaders {
 public:
  FolderReaders(const ReadersSpec& spec, const tables::Catalog& catalog, Lifecycle& lifecycle);

  /// A file came, changed or went: the folder is looked at to see which.
  void look_at(const std::string& name);
  /// A file's owner or mode changed: one that was refused may be good now.
  void look_at_attributes(const std::string& name);
  /// Changes that came while their reader was in probation, and files whose reader's name was taken: those
  /// that can be looked at now.
  void look_at_postponed();
  /// See ReaderManager::set_instances. `spec`: what this was made with, whose instances become these.
  std::vector<std::string> set_instances(ReadersSpec& spec, std::vector<InstanceSpec> instances);
  /// Brings the list of refused files and missing plugins up to date.
  void show_refused();
  /// Says in the log which instances of the config have no plugin, where nothing else has said so.
  void warn_of_missing() const;

 private:
  struct File {
    std::string plugin;        ///< the id in its manifest; "" when it never had one
    std::string refusal;       ///< why it does not run; "" when it does
    std::string last_refusal;  ///< as it was last told, so that nothing is told twice
    std::string waits_for;     ///< the reader from elsewhere for which it was refused; "" when for none
  };

  void look_at_file(const std::string& name);
  void look_at_removed(const std::string& name);
  Result<void> check(const std::string& name, const plugin::PluginFile& file,
                     const std::vector<std::string>& readers) const;
  bool stands_for(const std::string& name, const File& file, const std::string& plugin) const;
  bool can_have_its_turn(const std::string& name, const File& file) const;
  Result<void> start_readers(const std::string& name, const plugin::PluginFile& file);
  void swap_readers(const std::string& name, const plugin::PluginFile& file,
                    const std::vector<std::string>& readers);
  void refuse(const std::string& name, const Error& error);
  std::vector<InstanceSpec> wanted_of(const std::string& plugin) const;
  std::string start_missing(const std::string& name);
  std::vector<std::string> readers_of(const std::filesystem::path& path) const;
  const File* refused_file_of(const InstanceSpec& instance) const;
  std::string why_missing(const InstanceSpec& instance) const;

  const ReadersSpec& spec_;
  const tables::Catalog& catalog_;
  Lifecycle& lifecycle_;
  std::map<std::string, File> files_;
  std::set<std::string> postponed_;
};

}  // namespace perch::readers
