"""What an unattended performance needs: a log, systemd notifications, health checks and metrics over HTTP."""
