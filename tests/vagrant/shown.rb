# What Vagrant makes of the Vagrantfile in the folder that the first word names, as JSON.
require "json"
require "vagrant"

vm = Vagrant::Environment.new(cwd: ARGV.fetch(0), ui_class: Vagrant::UI::Silent).vagrantfile.config.vm
puts JSON.generate(
  forwarded: vm.networks.select { |kind, _| kind == :forwarded_port }.map(&:last),
  folders: vm.synced_folders,
  provisioners: vm.provisioners.map { |one| { type: one.type, run: one.run, path: one.config.path, args: one.config.args } },
  said: vm.post_up_message
)
