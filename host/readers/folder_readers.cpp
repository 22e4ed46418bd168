#include "readers/folder_readers.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/nearest_name.hpp"
#include "base/text.hpp"

namespace perch::readers {
namespace {

std::string stem(const std::string& name) { return std::filesystem::path(name).stem().string(); }

}  // namespace

std::string no_such_plugin(const std::string& plugin, const std::filesystem::path& folder,
                           const std::vector<std::string>& others) {
  const std::string nearest = nearest_name(plugin, others);
  return "no plugin '" + plugin + "' in " + folder.string() +
         (nearest.empty() ? "" : "; did you mean " + nearest + "?");
}

FolderReaders::FolderReaders(const ReadersSpec& spec, const tables::Catalog& catalog, Lifecycle& lifecycle)
    : spec_(spec), catalog_(catalog), lifecycle_(lifecycle) {}

void FolderReaders::look_at_attributes(const std::string& name) {
  const auto file = files_.find(name);
  if (file != files_.end() && !file->second.refusal.empty()) look_at(name);
}

void FolderReaders::look_at(const std::string& name) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(spec_.folder / name, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    look_at_removed(name);
  } else {
    look_at_file(name);
  }
}

void FolderReaders::look_at_postponed() {
  std::set<std::string> names = std::exchange(postponed_, {});
  for (const auto& [name, file] : files_) {
    if (can_have_its_turn(name, file)) names.insert(name);
  }
  for (const std::string& name : names) look_at(name);
}

/// The reader in its way is gone, or was swapped to it.
bool FolderReaders::can_have_its_turn(const std::string& name, const File& file) const {
  if (file.waits_for.empty()) return false;
  const auto reader = lifecycle_.readers().find(file.waits_for);
  return reader == lifecycle_.readers().end() || reader->second.file == spec_.folder / name;
}

std::vector<std::string> FolderReaders::readers_of(const std::filesystem::path& path) const {
  std::vector<std::string> names;
  for (const auto& [name, reader] : lifecycle_.readers()) {
    if (reader.file == path || (reader.probation && reader.probation->old.plugin->source() == path))
      names.push_back(name);
  }
  return names;
}

void FolderReaders::look_at_removed(const std::string& name) {
  const std::string plugin = files_[name].plugin;
  files_.erase(name);
  postponed_.erase(name);
  for (const std::string& reader : readers_of(spec_.folder / name)) {
    lifecycle_.file_is_gone(reader);
  }
  // Another file of the same plugin, refused while this one was there, may have its turn now.
  const auto other = std::find_if(files_.begin(), files_.end(), [&plugin](const auto& entry) {
    return !plugin.empty() && entry.second.plugin == plugin && !entry.second.refusal.empty();
  });
  if (other != files_.end()) look_at(std::string(other->first));
}

void FolderReaders::look_at_file(const std::string& name) {
  const std::filesystem::path path = spec_.folder / name;
  const auto readers = readers_of(path);
  const bool in_probation = std::any_of(readers.begin(), readers.end(), [this](const std::string& reader) {
    return lifecycle_.readers().at(reader).probation.has_value();
  });
  if (in_probation) {
    postponed_.insert(name);
    return;
  }
  auto file = plugin::PluginFile::open_trusted(path, spec_.folder);
  if (!file) {
    if (file.error().kind == ErrorKind::not_found) return look_at_removed(name);
    return refuse(name, file.error());
  }
  files_[name].plugin = file->manifest().id;
  files_[name].waits_for.clear();
  if (auto checked = check(name, *file, readers); !checked) return refuse(name, checked.error());
  const std::string told = files_[name].last_refusal;
  files_[name] = File{file->manifest().id, "", "", ""};
  if (!readers.empty()) return swap_readers(name, *file, readers);
  if (auto started = start_readers(name, *file); !started) {
    files_[name].last_refusal = told;
    refuse(name, started.error());
  }
}

Result<void> FolderReaders::check(const std::string& name, const plugin::PluginFile& file,
                                  const std::vector<std::string>& readers) const {
  const std::string& id = file.manifest().id;
  for (const std::string& reader : readers) {
    const std::string& running = lifecycle_.readers().at(reader).spec.plugin;
    if (running != id) {
      return fail(ErrorKind::refused, file.path().string() + " was plugin " + running +
                                          " and is now plugin " + id +
                                          "; remove it first, or give the new one a file of its own");
    }
  }
  for (const auto& [other_name, other] : files_) {
    if (other_name != name && stands_for(other_name, other, id)) {
      return fail(ErrorKind::refused, file.path().string() + " is plugin " + id + ", which " + other_name +
                                          " in the same folder is already; remove one of them");
    }
  }
  return check_compatible(file.manifest(), catalog_);
}

/// Whether a plugin is a file's: it was good when last looked at, or its readers still run from when it was.
bool FolderReaders::stands_for(const std::string& name, const File& file, const std::string& plugin) const {
  if (file.refusal.empty()) return file.plugin == plugin;
  const auto readers = readers_of(spec_.folder / name);
  return std::any_of(readers.begin(), readers.end(), [&](const std::string& reader) {
    return lifecycle_.readers().at(reader).spec.plugin == plugin;
  });
}

/// The config's instances of a plugin; without one it runs once, under its id.
std::vector<InstanceSpec> FolderReaders::wanted_of(const std::string& plugin) const {
  std::vector<InstanceSpec> wanted;
  for (const InstanceSpec& instance : spec_.instances) {
    if (instance.plugin == plugin) wanted.push_back(instance);
  }
  if (wanted.empty()) wanted.push_back({plugin, plugin, "{}"});
  return wanted;
}

std::vector<std::string> FolderReaders::set_instances(ReadersSpec& spec,
                                                      std::vector<InstanceSpec> instances) {
  const std::vector<InstanceSpec> before = std::exchange(spec.instances, std::move(instances));
  std::vector<std::string> problems;
  const auto find = [](const std::vector<InstanceSpec>& specs, const std::string& name) {
    const auto found =
        std::find_if(specs.begin(), specs.end(), [&](const auto& one) { return one.name == name; });
    return found == specs.end() ? nullptr : &*found;
  };
  const auto unload = [&](const std::string& name) {
    if (!lifecycle_.readers().contains(name)) return;
    lifecycle_.unload(name, [&](const Result<std::string>& left) {
      if (!left) problems.push_back("reader " + name + ": " + left.error().message);
    });
  };
  for (const InstanceSpec& old : before) {
    const InstanceSpec* const now = find(spec.instances, old.name);
    InstanceSpec configured = old;  // all that a running reader can be given
    if (now) configured.config = now->config;
    if (!now || !(*now == configured)) {
      unload(old.name);
    } else if (now->config != old.config && lifecycle_.readers().contains(old.name)) {
      lifecycle_.configure(
          old.name, now->config, std::nullopt, [name = old.name](const Result<SwapReport>& done) {
            if (!done)
              spdlog::warn("reader {}: not configured by the reload: {}", name, done.error().message);
          });
    }
  }
  // A plugin that an instance names from now on does not run under its id any more.
  for (const InstanceSpec& now : spec.instances) {
    if (now.plugin != now.name && !find(spec.instances, now.plugin) && !find(before, now.plugin))
      unload(now.plugin);
  }
  for (const auto& [name, file] : files_) {
    if (!file.refusal.empty()) continue;
    if (std::string problem = start_missing(name); !problem.empty()) problems.push_back(std::move(problem));
  }
  return problems;
}

/// Starts what the config wants of the file's plugin and is not there, but for what somebody unloaded who is
/// still named by it. "" or what went wrong.
std::string FolderReaders::start_missing(const std::string& name) {
  std::string problem;
  for (const InstanceSpec& instance : wanted_of(files_[name].plugin)) {
    if (lifecycle_.readers().contains(instance.name)) continue;
    auto file = plugin::PluginFile::open_trusted(spec_.folder / name, spec_.folder);
    Result<void> running = file ? lifecycle_.keep_running(std::move(*file), instance) : fail(file.error());
    if (!running)
      problem +=
          (problem.empty() ? "" : "; ") + ("reader " + instance.name + ": " + full_text(running.error()));
  }
  return problem;
}

Result<void> FolderReaders::start_readers(const std::string& name, const plugin::PluginFile& file) {
  for (const InstanceSpec& instance : wanted_of(file.manifest().id)) {
    if (const auto found = lifecycle_.readers().find(instance.name); found != lifecycle_.readers().end()) {
      files_[name].waits_for = instance.name;
      const bool can_swap = found->second.spec.plugin == file.manifest().id;
      return fail(
          ErrorKind::refused,
          "there is a reader " + instance.name + " already, loaded from " + found->second.file.string() +
              "; " +
              (can_swap ? "replace it with `perch swap " + instance.name + " " + file.path().string() + "`"
                        : "unload it first with `perch unload " + instance.name + "`"));
    }
    // Every reader has a generation of its own, copied from a descriptor of its own.
    auto again = plugin::PluginFile::open_trusted(file.path(), spec_.folder);
    if (!again) return fail(again.error());
    if (auto running = lifecycle_.keep_running(std::move(*again), instance); !running) return running;
  }
  return {};
}

void FolderReaders::swap_readers(const std::string& name, const plugin::PluginFile& file,
                                 const std::vector<std::string>& readers) {
  const auto hash = file.hash_now();
  for (const std::string& reader_name : readers) {
    const Reader& reader = lifecycle_.readers().at(reader_name);
    const bool is_same =
        hash && reader.generation.instance && reader.generation.plugin->content_hash() == *hash;
    if (is_same) continue;                                  // written again, but nothing changed
    if (reader.state() == ReaderState::disabled) continue;  // `enable` takes the file as it is then
    auto begun =
        lifecycle_.begin_swap(reader_name, {file.path(), std::nullopt}, [](const Result<SwapReport>&) {});
    if (!begun) refuse(name, begun.error());
  }
}

void FolderReaders::refuse(const std::string& name, const Error& error) {
  File& file = files_[name];
  file.refusal = full_text(error);
  if (file.refusal == file.last_refusal) return;
  file.last_refusal = file.refusal;
  const auto readers = readers_of(spec_.folder / name);
  if (!file.waits_for.empty()) lifecycle_.note_error(file.waits_for, file.refusal);
  for (const std::string& reader : readers) lifecycle_.note_error(reader, file.refusal);
  lifecycle_.events().publish("reader.refused", readers.empty() ? "" : readers.front(), 0, file.refusal,
                              spec_.folder / name);
}

void FolderReaders::show_refused() {
  std::vector<instances::ReaderStatus> others;
  for (const InstanceSpec& instance : spec_.instances) {
    if (lifecycle_.readers().contains(instance.name)) continue;
    instances::ReaderStatus status;
    status.name = instance.name;
    status.plugin = instance.plugin;
    status.config = instance.config;
    const bool unloaded = lifecycle_.was_unloaded(instance.name);
    status.state = unloaded ? "stopped" : "refused";
    status.last_error = unloaded ? "unloaded on request" : why_missing(instance);
    others.push_back(std::move(status));
  }
  for (const auto& [name, file] : files_) {
    const auto is_told = [&, &id = file.plugin, &path = name](const InstanceSpec& i) {
      return i.plugin == (id.empty() ? stem(path) : id);
    };
    if (file.refusal.empty() || std::any_of(spec_.instances.begin(), spec_.instances.end(), is_told) ||
        !readers_of(spec_.folder / name).empty()) {
      continue;
    }
    instances::ReaderStatus status;
    status.name = stem(name);
    status.plugin = file.plugin;
    status.state = "refused";
    status.file = (spec_.folder / name).string();
    status.last_error = file.refusal;
    others.push_back(std::move(status));
  }
  lifecycle_.show_also(std::move(others));
}

void FolderReaders::warn_of_missing() const {
  for (const InstanceSpec& instance : spec_.instances) {
    if (lifecycle_.readers().contains(instance.name) || refused_file_of(instance) != nullptr) continue;
    spdlog::warn("reader {} of the config does not run: {}", instance.name, why_missing(instance));
  }
}

const FolderReaders::File* FolderReaders::refused_file_of(const InstanceSpec& instance) const {
  for (const auto& [name, file] : files_) {
    if (!file.refusal.empty() && (file.plugin.empty() ? stem(name) : file.plugin) == instance.plugin)
      return &file;
  }
  return nullptr;
}

std::string FolderReaders::why_missing(const InstanceSpec& instance) const {
  if (const File* const refused = refused_file_of(instance)) return refused->refusal;
  if (spec_.folder.empty()) return "no plugin folder is configured";
  std::vector<std::string> plugins;
  for (const auto& [name, file] : files_) plugins.push_back(file.plugin);
  return no_such_plugin(instance.plugin, spec_.folder, plugins);
}

}  // namespace perch::readers
