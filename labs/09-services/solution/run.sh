#!/usr/bin/env bash
set -euo pipefail

kubectl set selector service orders app=orders
kubectl scale deployment web --replicas=${replicas}
