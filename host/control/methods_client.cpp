// client.*: processes that map the tree and read it themselves.
#include "control/method.hpp"
#include "tables/table_texts.hpp"

namespace perch::control {
namespace {

void attach(const Call& call) {
  const std::string name = call.text("name", "client");
  constexpr std::size_t name_bytes_max = 64;
  if (name.empty() || name.size() > name_bytes_max)
    return call.answer(fail(ErrorKind::usage, "name: 1 to 64 bytes"));
  if (call.host.processes == nullptr)
    return call.answer(fail(ErrorKind::refused, "no other process may map this host's tree"));
  if (call.connection.attachment)
    return call.answer(fail(ErrorKind::refused, "this connection has the tree already: one each"));
  auto process = instances::ProcessHandle::of_peer(call.connection.fd());
  if (!process) return call.answer(fail(process.error()));
  auto attached = call.host.processes->attach(std::move(*process), name, 0);
  if (!attached) return call.answer(fail(attached.error()));
  call.connection.attachment = std::move(attached->attachment);
  std::vector<UniqueFd> descriptors;
  descriptors.push_back(std::move(attached->arena));
  descriptors.push_back(std::move(attached->slot_page));
  call.give(std::move(descriptors));
  call.answer(to_text(
      Json{{"descriptors", {"arena", "slot_page"}}, {"tables", tables::to_texts(call.host.catalog)}}));
}

void table_texts(const Call& call) {
  call.answer(to_text(Json{{"tables", tables::to_texts(call.host.catalog)}}));
}

void list_clients(const Call& call) {
  Json clients = Json::array();
  if (call.host.processes != nullptr) {
    for (const instances::ProcessStatus& process : call.host.processes->processes()) {
      clients.push_back({{"name", process.name},
                         {"pid", process.pid},
                         {"worker", process.is_worker},
                         {"attached_ns", process.attached_ns},
                         {"versions", process.versions}});
    }
  }
  call.answer(to_text(Json{{"clients", std::move(clients)}}));
}

}  // namespace

std::span<const Method> client_methods() {
  static const std::vector<Method> table{
      {"client.attach",
       "Lets the calling process map the tree and read it by itself, until it hangs up: the answer comes "
       "with two "
       "descriptors (SCM_RIGHTS). For libperch (perch/client.h), which does the rest",
       false,
       {{"name", ParameterType::text, false,
         "what it is called where its pins are shown; \"client\" otherwise"}},
       attach},
      {"client.tables", "What client.attach said of the tables, as of now", false, {}, table_texts},
      {"client.list",
       "The processes that map the tree: workers and clients, with the versions they pin",
       false,
       {},
       list_clients},
  };
  return table;
}

}  // namespace perch::control
